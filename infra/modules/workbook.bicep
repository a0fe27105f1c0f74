metadata description = 'The workbook that answers the operator\'s questions. Its content stands in workbook.json.'

param location string
param tags { *: string }
param applicationInsightsName string

resource applicationInsights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: applicationInsightsName
}

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  name: guid(resourceGroup().id, 'event-bridge')
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    displayName: 'Customer Insights Event Bridge'
    category: 'workbook'
    version: 'Notebook/1.0'
    sourceId: applicationInsights.id
    serializedData: replace(loadTextContent('../workbook.json'), '<application-insights-id>', applicationInsights.id)
  }
}
